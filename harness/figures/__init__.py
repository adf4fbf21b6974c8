"""Figures as a paper wants them: vector PDF and PNG, apart for colour-blind readers and in grey.

=============  ====================================================================================
``axis``       a metric against an ordered axis, with interval bands
``cost``       a metric against what it cost, with the Pareto front
``forest``     differences to a reference, with intervals
``curves``     ROC, precision–recall and calibration, from predictions
``learning``   losses against the epoch
``survival``   Kaplan–Meier by group of risk, and AUC by year
``heatmap``    one axis against another, with the numbers in the cells
``chosen``     which of them a table gets, and where they are written
=============  ====================================================================================

The functions that draw take plain data and return a matplotlib figure; :func:`harness.figures.page.write` writes it.
matplotlib is imported when something is drawn, not before.
"""
