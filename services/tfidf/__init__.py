"""Serves the calibrated TF-IDF + linear SVM without scikit-learn."""
