"""One HTML page of an ablation that needs nothing beside itself.

==============  ==================================================================================
``answer``      the question's answer in a sentence, from the table's statistics
``sources``     what a page is made from: a table, its figures, the stages and files behind its cells
``groups``      subgroups, calibration and operating points of single cells
``costs``       CPU- and GPU-seconds by stage and by row, and what sharing stages has saved
``failures``    cells without a result, each with its error and log
``data``        the data card: which data, under which licence, how many patients and images
``provenance``  settings, command, code and packages
``page``        the page itself
``invocation``  from an invocation in MLflow to its page
==============  ==================================================================================
"""
