"""The settings of the guest book."""

import os

SECRET_KEY = "change me"
DEBUG = False
ALLOWED_HOSTS = ["guestbook.example"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
ROOT_URLCONF = "guestbook.urls"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.staticfiles", "guestbook"]
GUESTBOOK_IS_CLOSED = False
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("GUESTBOOK_DATABASE", "guestbook.sqlite3"),
        "TEST": {"NAME": os.environ.get("GUESTBOOK_TEST_DATABASE")},  # None for one in memory
    }
}
