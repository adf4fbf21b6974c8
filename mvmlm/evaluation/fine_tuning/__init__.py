"""Training an image side on, end to end. What judges it, protocol ``finetune``, is `mvmlm.evaluation.finetune`."""
