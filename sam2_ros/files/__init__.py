"""What is read from files and what must not be written over: image headers, whole images, masks."""
