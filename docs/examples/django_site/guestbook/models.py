"""What the guest book keeps."""

from django.db import models


class Entry(models.Model):
    """What one guest wrote."""

    name = models.CharField(max_length=50)
    text = models.TextField()
