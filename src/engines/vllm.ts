import { DESCRIPTION, type EngineTable } from './operations.ts'

/** vLLM (engines.md section 1.1): its own key guards `/v1`, `/v2`, `/inference` and `/cohere` alone. */
export const VLLM: EngineTable = {
  serves: {
    chat: ['POST /v1/chat/completions'],
    completions: ['POST /v1/completions'],
    responses: ['POST /v1/responses'],
    messages: ['POST /v1/messages'],
    count_tokens: ['POST /v1/messages/count_tokens'],
    embeddings: ['POST /v1/embeddings'],
    embed: ['POST /v2/embed'],
    rerank: ['POST /v1/rerank', 'POST /v2/rerank', 'POST /rerank'],
    score: ['POST /v1/score', 'POST /score'],
    classify: ['POST /classify'],
    pooling: ['POST /pooling'],
    tokenize: ['POST /tokenize'],
    detokenize: ['POST /detokenize'],
    transcription: ['POST /v1/audio/transcriptions'],
    translation: ['POST /v1/audio/translations']
  },
  gate: [
    'GET /v1/models',
    'GET /v1/models/{id}',
    'GET /health',
    'GET /ping',
    'POST /ping',
    'GET /load',
    'GET /version',
    'GET /metrics*'
  ],
  closed: [
    { what: 'a batch of chats', routes: ['POST /v1/chat/completions/batch'] },
    {
      what: 'a chat template',
      routes: [
        'POST /v1/chat/completions/render',
        'POST /v1/chat/completions/derender',
        'POST /v1/completions/render',
        'POST /v1/completions/derender',
        'POST /v1/messages/render',
        'POST /v1/responses/render'
      ]
    },
    { what: 'structured decisions', routes: ['POST /v1/systemone'] },
    { what: 'generative scoring', routes: ['POST /generative_scoring'] },
    { what: "Cohere's chat", routes: ['POST /cohere/v2/chat'] },
    { what: 'realtime speech', routes: ['GET /v1/realtime'], operation: 'realtime' }
  ],
  never: {
    'a store of answers without owners': ['GET /v1/responses/{id}', 'POST /v1/responses/{id}/cancel'],
    'generation from tokens, with every internal parameter': ['POST /inference/v1/generate'],
    'a second door to every call, with a model of its own in a header': ['POST /invocations'],
    [DESCRIPTION]: [
      'GET /tokenizer_info',
      'GET /docs',
      'HEAD /docs',
      'GET /redoc',
      'HEAD /redoc',
      'GET /openapi.json',
      'HEAD /openapi.json',
      'GET /docs/oauth2-redirect',
      'HEAD /docs/oauth2-redirect',
      'GET /static/*',
      'GET /kv_event_sources',
      'GET /server_info',
      'GET /weight_info',
      'GET /get_world_size'
    ],
    'an administration route': [
      'POST /v1/load_lora_adapter',
      'POST /v1/unload_lora_adapter',
      'POST /adapters',
      'DELETE /adapters/{name}',
      'POST /scale_elastic_ep',
      'POST /is_scaling_elastic_ep',
      'POST /abort_requests',
      'POST /inference/v1/abort_requests',
      'POST /fault_tolerance/apply',
      'GET /fault_tolerance/status',
      'POST /pause',
      'POST /resume',
      'POST /sleep',
      'POST /wake_up',
      'POST /collective_rpc',
      'POST /reset_prefix_cache',
      'POST /reset_mm_cache',
      'POST /reset_encoder_cache',
      'POST /release_kv_cache_memory',
      'GET /is_paused',
      'GET /is_sleeping'
    ],
    'a profiling route': ['POST /start_profile', 'POST /stop_profile'],
    "a route that replaces the model's weights": [
      'POST /init_weight_transfer_engine',
      'POST /start_weight_update',
      'POST /start_draft_weight_update',
      'POST /update_weights',
      'POST /finish_weight_update',
      'POST /update_weight_version',
      'POST /shutdown_weight_transfer_engine',
      'POST /weight_checker'
    ]
  },
  key: {
    guards: ['/v1', '/v2', '/inference', '/cohere'],
    open: [],
    checked: 'first',
    guardsWebSockets: true,
    adminFlag: null
  },
  signs: { ownedBy: 'vllm', version: { path: '/version', member: 'version' }, keepsToMethods: true }
}
