"""Simulated mammography exams, written as DICOM in VinDr-Mammo's published layout.

From a random seed to files, one idea a module:

``options``    what can be set, and its units
``records``    who is examined, what her breasts hold, what a reader would say of it
``anatomy``    the shape of a breast, how a projection compresses it, its gland in three dimensions
``texture``    noise with a power-law spectrum, strands
``findings``   masses, calcifications, distortions and asymmetries in three dimensions, and their shadows
``render``     one view: anatomy, texture and findings to attenuation to a picture
``equipment``  how a (fictitious) machine stores that picture: window, rescale, inversion
``write``      DICOM files and tables; the parallel loop
``gallery``    the picture in the docs

What it is for, and what it is not: ``docs/phantom.md``.
"""

from mvmlm.data.phantom.options import GENERATOR_VERSION, PhantomOptions

__all__ = ["GENERATOR_VERSION", "PhantomOptions"]
