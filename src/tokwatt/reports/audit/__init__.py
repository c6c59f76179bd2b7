"""What the paper prints, judged against our datasets."""
