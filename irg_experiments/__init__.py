"""Implicit reparameterization gradients (Figurnov, Mohamed & Mnih, NeurIPS 2018), with every baseline beside them."""

__version__ = "0.1.0"
