"""Which photographs were kept and why: pictures, counts, histograms, the borderline of each filter."""
