"""`python manage.py test`."""

from django.test import TestCase


class PagesTest(TestCase):
    """The pages, with the quote that the first migration adds."""

    def test_the_first_quote_is_shown(self) -> None:
        self.assertContains(self.client.get("/"), "Simple is better than complex.")

    def test_quotes_are_listed(self) -> None:
        self.assertEqual(len(self.client.get("/api/quotes").json()["quotes"]), 1)
