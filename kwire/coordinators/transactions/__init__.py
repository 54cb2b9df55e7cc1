"""The transaction coordinator: what is known of transactional ids, as a pure machine over
`__transaction_state`.
"""
