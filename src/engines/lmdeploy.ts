import { DESCRIPTION, type EngineTable } from './operations.ts'

/** LMDeploy (engines.md section 1.3): its key check can be passed by a Host header where its Starlette is old. */
export const LMDEPLOY: EngineTable = {
  serves: {
    chat: ['POST /v1/chat/completions'],
    completions: ['POST /v1/completions'],
    responses: ['POST /v1/responses'],
    messages: ['POST /v1/messages'],
    count_tokens: ['POST /v1/messages/count_tokens'],
    tokenize: ['POST /v1/encode']
  },
  gate: ['GET /v1/models', 'GET /v1/models/{id}', 'GET /anthropic/v1/models', 'GET /health', 'GET /metrics*'],
  closed: [
    { what: 'native generation', routes: ['POST /generate'], operation: 'generate' },
    { what: 'an embedding that it answers with an error', routes: ['POST /v1/embeddings'], operation: 'embeddings' },
    { what: 'a reward score', routes: ['POST /pooling'], operation: 'pooling' },
    { what: 'a perplexity', routes: ['POST /get_ppl'] }
  ],
  never: {
    [DESCRIPTION]: [
      'GET /',
      'HEAD /',
      'GET /docs',
      'HEAD /docs',
      'GET /redoc',
      'HEAD /redoc',
      'GET /openapi.json',
      'HEAD /openapi.json',
      'GET /docs/oauth2-redirect',
      'HEAD /docs/oauth2-redirect'
    ],
    'an administration route': [
      'GET /terminate',
      'POST /sleep',
      'POST /wakeup',
      'GET /is_sleeping',
      'POST /abort_request',
      'GET /distserve/engine_info',
      'POST /distserve/p2p_initialize',
      'POST /distserve/p2p_connect',
      'POST /distserve/p2p_drop_connect',
      'POST /distserve/free_cache',
      'POST /distserve/connection_warmup',
      'POST /distserve/gc',
      'GET /nodes*',
      'POST /nodes*'
    ],
    'a route that runs code of whoever calls it': ['POST /update_weights'],
    "a route that replaces the model's weights": [
      'GET /update_weights_from_ipc',
      'POST /update_weights_from_ipc',
      'POST /init_weights_update_group',
      'POST /update_weights_from_distributed',
      'POST /destroy_weights_update_group'
    ]
  },
  key: {
    guards: ['/'],
    open: ['/health', '/docs', '/redoc', '/nodes'],
    checked: 'first',
    guardsWebSockets: true,
    adminFlag: null
  },
  signs: { ownedBy: 'lmdeploy', version: null, keepsToMethods: true }
}
