"""The latent CLIP-VQA model as torch modules."""
