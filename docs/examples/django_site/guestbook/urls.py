"""The pages of the guest book."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.index),
    path("entries", views.entries, name="entries"),
    path("stream", views.stream),
    path("stream-later", views.stream_later),
    path("longest", views.longest),
    path("later", views.later),
    path("zone", views.zone),
]
