"""What a push means: which experiments it touches, and what a reviewer is told of the runs."""
