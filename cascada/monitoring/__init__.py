"""Whether what a served model is asked is still what it was fitted on."""
