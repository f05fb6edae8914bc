"""Addresses."""

from django.urls import path

from quotes import views

urlpatterns = [
    path("", views.index),
    path("api/quotes", views.listing),
]
