import { DESCRIPTION, type EngineTable } from './operations.ts'

/** The same path with GET and with POST: SGLang's administration takes both. */
const both = (...paths: readonly string[]) => paths.flatMap(path => [`GET ${path}`, `POST ${path}`])

/** SGLang (engines.md section 1.2): its keys do not guard WebSockets, nor anything with several tokenizer workers. */
export const SGLANG: EngineTable = {
  serves: {
    chat: ['POST /v1/chat/completions'],
    completions: ['POST /v1/completions'],
    responses: ['POST /v1/responses'],
    messages: ['POST /v1/messages'],
    count_tokens: ['POST /v1/messages/count_tokens'],
    embeddings: ['POST /v1/embeddings'],
    rerank: ['POST /v1/rerank'],
    score: ['POST /v1/score'],
    classify: ['POST /v1/classify'],
    tokenize: ['POST /v1/tokenize', 'POST /tokenize'],
    detokenize: ['POST /v1/detokenize', 'POST /detokenize'],
    transcription: ['POST /v1/audio/transcriptions']
  },
  gate: [
    'GET /v1/models',
    'GET /v1/models/*',
    'GET /',
    'HEAD /',
    'GET /ping',
    'GET /ready',
    'GET /health',
    'GET /health_generate',
    'GET /metrics*',
    'GET /v1/loads',
    'GET /get_load',
    'GET /model_info',
    'GET /get_model_info'
  ],
  closed: [
    { what: 'native generation', routes: ['POST /generate', 'PUT /generate'], operation: 'generate' },
    { what: 'native embedding', routes: ['POST /encode', 'PUT /encode', 'POST /classify', 'PUT /classify'] },
    { what: 'reranking by PUT', routes: ['PUT /v1/rerank'] },
    {
      what: "Ollama's dialect",
      routes: ['POST /api/chat', 'POST /api/generate', 'GET /api/tags', 'POST /api/show']
    },
    { what: 'structured decisions', routes: ['POST /v1/decisions', 'POST /v1/systemone'] },
    { what: 'a parser of answers', routes: ['POST /parse_function_call', 'POST /separate_reasoning'] },
    { what: 'realtime speech', routes: ['GET /v1/realtime'], operation: 'realtime' }
  ],
  never: {
    'a store of answers without owners': ['GET /v1/responses/{id}', 'POST /v1/responses/{id}/cancel'],
    'a second door to chat': ['POST /invocations', 'POST /vertex_generate'],
    'sessions without owners': both('/open_session', '/close_session'),
    'a description of the engine, with its keys': ['GET /server_info', 'GET /get_server_info'],
    [DESCRIPTION]: [
      'GET /docs',
      'HEAD /docs',
      'GET /redoc',
      'HEAD /redoc',
      'GET /openapi.json',
      'HEAD /openapi.json',
      'GET /docs/oauth2-redirect',
      'HEAD /docs/oauth2-redirect',
      'GET /get_hicache_l3_cache_layout'
    ],
    'a profiling route': both('/start_profile', '/stop_profile'),
    'an administration route': [
      ...both(
        '/set_trace_level',
        '/flush_cache',
        '/freeze_gc',
        '/start_expert_distribution_record',
        '/stop_expert_distribution_record',
        '/dump_expert_distribution_record',
        '/release_memory_occupation',
        '/resume_memory_occupation',
        '/slow_down',
        '/configure_logging',
        '/clear_hicache_storage_backend'
      ),
      'POST /abort_request',
      'POST /scale_elastic_ep',
      'GET /is_scaling_elastic_ep',
      'POST /pd_role_switch',
      'POST /pause_generation',
      'POST /continue_generation',
      'POST /load_lora_adapter',
      'POST /unload_lora_adapter',
      'POST /add_external_corpus',
      'POST /remove_external_corpus',
      'GET /list_external_corpora',
      'POST /set_internal_state',
      'PUT /set_internal_state',
      'POST /hicache/storage-backend/clear',
      'PUT /hicache/storage-backend',
      'DELETE /hicache/storage-backend',
      'GET /hicache/storage-backend',
      'POST /dumper/{method}'
    ],
    'a route that runs code of whoever calls it': ['POST /load_lora_adapter_from_tensors'],
    "a route that reads or replaces the model's weights": [
      ...both('/get_weights_by_name', '/weights_checker'),
      'POST /begin_weight_update',
      'POST /end_weight_update',
      'POST /update_weights_from_disk',
      'POST /update_weights_from_tensor',
      'POST /update_weights_from_distributed',
      'POST /update_weights_from_ipc',
      'POST /init_weights_update_group',
      'POST /destroy_weights_update_group',
      'POST /update_weight_version',
      'POST /init_weights_send_group_for_remote_instance',
      'POST /send_weights_to_remote_instance',
      'GET /remote_instance_transfer_engine_info',
      'GET /get_remote_instance_transfer_engine_info'
    ]
  },
  key: {
    guards: ['/'],
    open: ['/health', '/ready', '/metrics'],
    checked: 'first',
    guardsWebSockets: false,
    adminFlag: '--admin-api-key'
  },
  // `/server_info` has its version, and its keys beside it.
  signs: { ownedBy: 'sglang', version: null, keepsToMethods: true }
}
