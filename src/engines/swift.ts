import { DESCRIPTION, type EngineTable } from './operations.ts'

/**
 * ms-swift `swift deploy` and `swift rollout` (engines.md section 1.4): before 4.6 its key guards neither `/infer/` nor the
 * list of models; since then all but health and that list.
 */
export const SWIFT: EngineTable = {
  serves: {
    chat: ['POST /v1/chat/completions'],
    completions: ['POST /v1/completions'],
    embeddings: ['POST /v1/embeddings']
  },
  gate: ['GET /v1/models', 'GET /v1/models/{id}', 'GET /health', 'GET /health/', 'GET /ping', 'POST /ping'],
  closed: [],
  never: {
    'generation without a model, a key or a bound': ['POST /infer/', 'POST /infer'],
    [DESCRIPTION]: [
      'GET /docs',
      'HEAD /docs',
      'GET /redoc',
      'HEAD /redoc',
      'GET /openapi.json',
      'HEAD /openapi.json',
      'GET /docs/oauth2-redirect',
      'HEAD /docs/oauth2-redirect'
    ],
    'a training route': [
      'GET /get_world_size/',
      'POST /get_model_state_keys/',
      'GET /get_model_state_keys/',
      'POST /init_communicator/',
      'POST /update_named_param/',
      'POST /update_adapter_param/',
      'POST /update_adapter_flattened_param/',
      'POST /update_flattened_params/',
      'POST /process_weights_after_loading/',
      'POST /reset_prefix_cache/',
      'POST /reset_encoder_cache/',
      'POST /reset_mm_cache/',
      'POST /close_communicator/',
      'POST /get_engine_type/',
      'GET /get_engine_type/'
    ]
  },
  key: {
    guards: ['/v1/chat/completions', '/v1/completions', '/v1/embeddings'],
    open: [],
    checked: 'handler',
    guardsWebSockets: true,
    adminFlag: null
  },
  signs: { ownedBy: 'swift', version: null, keepsToMethods: true }
}
