"""What makes a run reproducible: seeds, fingerprints, environment and manifest. No physics, no MLflow."""
