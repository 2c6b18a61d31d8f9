"""Detection, landmarks, tracking, depth sources and the pipeline that joins them."""
