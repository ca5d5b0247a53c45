"""Pixels to faces: find, align, judge and mask them. Vendors of face models end here."""
