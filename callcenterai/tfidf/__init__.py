"""TF-IDF features and the calibrated linear SVM."""
