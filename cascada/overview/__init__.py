"""The page that links everything: servers, champions, runs, workers."""
