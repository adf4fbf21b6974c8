"""Simulated mammography exams, written as DICOM in real sets' published layouts.

From a random seed to files, one idea a module:

``options``          what can be set, and its units; ``shifted_options`` for RSNA's and EMBED's layouts
``streams``          random numbers and identifiers from the seed
``records``          who is examined, what her breasts hold, what a reader would say of it
``lesions``          which findings a breast has
``pathology``        what a biopsy would say
``history``          a woman's exams over the years, and cancers that were small before
``views``            how a breast lies on the detector
``anatomy``          the shape of a breast, how a projection compresses it, its gland in three dimensions
``texture``          noise with a power-law spectrum, strands
``findings``         masses, calcifications, distortions and asymmetries in three dimensions, and their shadows
``render``           one view: anatomy, texture and findings to attenuation
``exposure``         attenuation to a picture
``equipment``        how a (fictitious) machine stores that picture: window, rescale, inversion
``dicom_file``       one image as a file
``layout``           what a published layout has to say; ``layout_vindr``, ``layout_rsna``, ``layout_embed``
``write``            files and tables; the parallel loop
``gallery``          the picture in the docs

What it is for, and what it is not: ``docs/phantom.md``.
"""

from mvmlm.data.phantom.options import GENERATOR_VERSION, PhantomOptions
from mvmlm.data.phantom.shifted_options import PhantomEmbedOptions, PhantomRsnaOptions

__all__ = ["GENERATOR_VERSION", "PhantomEmbedOptions", "PhantomOptions", "PhantomRsnaOptions"]
