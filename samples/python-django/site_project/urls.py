"""Addresses."""

from django.urls import path

from quotes import views

urlpatterns = [
    path("", views.index),
    path("quotes", views.add),
    path("api/quotes", views.listing),
]
