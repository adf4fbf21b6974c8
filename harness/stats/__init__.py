"""Which differences of a table are real: tests, intervals and the families that they are corrected in.

Every test takes numbers that a cell keeps (bootstrap draws, structural components of its AUC), never models or
predictions, so that a table can be made again without them.
"""
