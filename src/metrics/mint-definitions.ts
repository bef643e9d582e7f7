/** The metrics of the mint; part of `METRICS`. */
export const MINT_METRICS = {
  tollgate_tokens_issued_total: {
    kind: 'counter',
    help:
      'Requests for a token, by grant (password, client_credentials, token_exchange, none) and result: ok, credentials (a wrong ' +
      'name, password, client or key), throttled (also: too many were logging in), request (it could not be read, or asked for ' +
      'what is not granted), error.',
    labels: ['grant', 'result'],
    // Only names and passwords are throttled, and without a grant there is neither a token nor a credential.
    max: 16
  },
  tollgate_mint_keys: {
    kind: 'gauge',
    help: 'Keys of the mint by state: next (published a moment ago), waiting, signing, retired. Absent without a mint.',
    labels: ['state'],
    max: 4
  },
  tollgate_mint_signing_key_age_seconds: {
    kind: 'gauge',
    help: 'Since when the key signs that signs now; more than mint.keys.rotate says that keys do not follow each other.',
    labels: []
  }
} as const
