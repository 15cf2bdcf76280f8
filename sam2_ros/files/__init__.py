"""Files: image headers, whole images, masks, and the check that no input is overwritten."""
