"""`python manage.py test`."""

from django.test import TestCase


class PagesTest(TestCase):
    """The pages, with the quote that the first migration adds."""

    def test_the_first_quote_is_shown(self) -> None:
        self.assertContains(self.client.get("/"), "Simple is better than complex.")

    def test_a_quote_is_added(self) -> None:
        added = self.client.post("/quotes", {"text": "Now is better than never.", "author": "Tim Peters"})

        self.assertEqual(added.status_code, 302)
        self.assertContains(self.client.get("/"), "Now is better than never.")

    def test_a_quote_without_an_author_is_refused(self) -> None:
        self.assertEqual(self.client.post("/quotes", {"text": "So it goes."}).status_code, 422)

    def test_quotes_are_listed(self) -> None:
        self.assertEqual(len(self.client.get("/api/quotes").json()["quotes"]), 1)
