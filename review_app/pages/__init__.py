"""The pages: each asks the queries and fills a template. No page holds SQL."""
