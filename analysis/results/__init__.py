"""The rows of a sweep's logs: schema, reader, and the tables made from them."""
