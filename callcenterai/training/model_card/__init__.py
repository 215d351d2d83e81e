"""The page that describes a trained model: what it is for, on which tickets it was measured, and where it fails."""
