/** So many label sets has what is told of models and pools together: a histogram has some twenty lines for each. */
const MAX_PLACES = 100

/** So many has what is told of models, or of their speed: fewer, so that all series together stay below their bound. */
const MAX_MODELS = 50

/** Operations that go to an engine, and `route`. */
const MAX_OPERATIONS = 20

/** From 1 to 1,048,576 tokens, each bound four times the last. */
const TOKENS = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576]

const histogram = { kind: 'histogram' } as const

/** The metrics of how long calls take and how large they are; part of `METRICS`. */
export const HISTOGRAMS = {
  tollgate_request_duration_seconds: {
    ...histogram,
    max: MAX_PLACES,
    help: 'From the head of a request to the end of its answer, however it ended.',
    labels: ['model', 'op', 'stream'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200]
  },
  tollgate_time_to_first_token_seconds: {
    ...histogram,
    max: MAX_PLACES,
    help: 'From the head of a request for a stream to the first piece of its answer, the wait in the queue included.',
    labels: ['model', 'pool'],
    buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 7.5, 10, 20, 40, 80, 160]
  },
  tollgate_time_per_output_token_seconds: {
    ...histogram,
    max: MAX_MODELS,
    help:
      'From the first piece of a stream to its end, divided by its tokens of output but one. Of streams that came to their ' +
      'end and whose tokens the engine has counted; a caller who reads slowly makes it longer.',
    labels: ['model', 'pool'],
    buckets: [0.001, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5]
  },
  tollgate_gateway_overhead_seconds: {
    ...histogram,
    max: MAX_OPERATIONS,
    help:
      "The gate's own time with calls that went to an engine: from the head of the request to the call going out, without the " +
      'wait for a place in the queue and for the store of limits. The time in which the body came is part of it, and the keys ' +
      'of an issuer that were waited for; the connection to the engine, and whatever comes after, is not.',
    labels: ['op'],
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]
  },
  tollgate_input_tokens_per_request: {
    ...histogram,
    max: MAX_MODELS,
    help: 'Tokens of input of each call, counted as in tollgate_input_tokens_total.',
    labels: ['model'],
    buckets: TOKENS
  },
  tollgate_output_tokens_per_request: {
    ...histogram,
    max: MAX_MODELS,
    help: 'Tokens of output of each call, counted as in tollgate_output_tokens_total.',
    labels: ['model'],
    buckets: TOKENS
  },
  tollgate_request_body_bytes: {
    ...histogram,
    max: MAX_MODELS,
    help: 'Bodies of requests as they came, of those that were read whole. Messages of realtime sessions are none.',
    labels: ['model'],
    // No call fits into less than some sixty bytes; the largest body that a configuration allows is of this order.
    buckets: [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864]
  }
} as const
