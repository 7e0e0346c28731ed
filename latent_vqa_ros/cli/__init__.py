"""The command latent_vqa, one file per verb."""
