"""The metadata of the distribution; how the tools are set is in ``pyproject.toml``."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

ASGI = ["uvicorn>=0.30", "httptools>=0.6", "websockets>=12"]
TLS = ["trustme>=1.2"]

setup(
    name="liveserver-testcase",
    version="0.1.0",
    description="Live servers for unittest: your own application, a scripted HTTP API and a mail server, per test class",
    long_description=(HERE / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    author="liveserver_testcase contributors",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["unittest", "testing", "live server", "http", "stub", "smtp", "wsgi", "asgi"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Framework :: Flask",
        "Framework :: Pytest",
        "Intended Audience :: Developers",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Internet :: WWW/HTTP :: WSGI :: Server",
        "Topic :: Communications :: Email",
        "Topic :: Software Development :: Testing",
        "Typing :: Typed",
    ],
    python_requires=">=3.10",
    packages=find_packages(include=["liveserver_testcase", "liveserver_testcase.*"]),
    package_data={"liveserver_testcase": ["py.typed"]},
    zip_safe=False,  # type checkers look for py.typed in a directory
    install_requires=[
        "werkzeug>=3.0",
        "aiosmtpd>=1.4.6",
        "requests>=2.31",
    ],
    extras_require={
        # for users
        "asgi": ASGI,
        "tls": TLS,
        "all": [*ASGI, *TLS],
        # for this project's own work
        "test": [
            *ASGI,
            "aiohttp>=3.9",
            "aiosmtplib>=3",
            "bottle>=0.13",
            "build>=1.2",
            "coverage>=7.10",
            "django>=5.2",
            "fastapi>=0.110",
            "flask>=3.0",
            "flask-sock>=0.7",
            "flask-mail>=0.10",
            "flask-sqlalchemy>=3.1",
            "freezegun>=1.5",
            "gevent>=24.2",
            "httpx>=0.27",
            "hypothesis>=6.100",
            "nose2>=0.15",
            "pyfakefs>=5.3",
            "pyftpdlib>=2.0",  # the server in the documentation's example of an own server
            "pytest>=8.2",
            "pytest-xdist>=3.6",
            "quart>=0.19",
            "redmail>=0.6",
            "selenium>=4.20",  # drives a Chromium that is installed, if one is
            "setuptools>=77",  # tests/test_packaging.py builds without isolation
            "starlette>=0.37",
            "trustme>=1.2",
            "yagmail>=0.15",
        ],
        "docs": ["furo", "sphinx>=7.4"],
        # the two are held to one minor version: another one may format or judge differently
        "lint": ["mypy~=2.4.0", "ruff~=0.17.0", "requests>=2.34"],  # requests has its own types since 2.34
        "bench": [
            "aiosmtpd>=1.4.6",
            "cheroot",
            "django",
            "flask",
            "httpx",
            "pytest-flask",
            "pytest-httpserver",
            "pytest-localserver",
            "smtpdfix",
            "uvicorn",
            "uvloop; sys_platform != 'win32'",
            "waitress",
        ],
    },
)
