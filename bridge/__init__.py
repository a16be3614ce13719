"""Bridge: one support inbox over Telegram, SMS, the site's chat and WhatsApp."""

__version__ = "0.1.0"
