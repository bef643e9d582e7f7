/**
 * What a body may say at its outermost level, for each operation. What is not listed does not reach an engine: their
 * models take every member that is there, and grow with every release (engines.md section 1.5).
 */
const SAMPLING = [
  'model',
  'stream',
  'stream_options',
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'seed',
  'n',
  'stop',
  'stop_token_ids',
  'include_stop_str_in_output',
  'frequency_penalty',
  'presence_penalty',
  'repetition_penalty',
  'max_tokens',
  'min_tokens',
  'logprobs',
  'top_logprobs',
  'logit_bias',
  'bad_words',
  'allowed_token_ids',
  'skip_special_tokens',
  'spaces_between_special_tokens',
  'truncate_prompt_tokens',
  'add_special_tokens',
  'response_format',
  'structured_outputs',
  'guided_json',
  'guided_choice'
] as const

const CHAT = [
  'messages',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'functions',
  'function_call',
  'max_completion_tokens',
  'reasoning_effort',
  'include_reasoning',
  'separate_reasoning',
  'stream_reasoning',
  'chat_template_kwargs',
  'add_generation_prompt',
  'continue_final_message',
  'documents',
  'modalities',
  'verbosity',
  'prediction',
  // ms-swift takes media beside the messages.
  'images',
  'audios',
  'videos'
] as const

const ANTHROPIC = [
  'model',
  'messages',
  'system',
  'tools',
  'tool_choice',
  'thinking',
  'chat_template_kwargs',
  'output_config'
] as const

const VECTOR = [
  'model',
  'input',
  'messages',
  'encoding_format',
  'embed_dtype',
  'endianness',
  'dimensions',
  'normalize',
  'softmax',
  'activation',
  'use_activation',
  'task',
  'truncate_prompt_tokens',
  'add_special_tokens'
] as const

const TEXTS = ['text', 'prompt', 'input_ids', 'image_data', 'audio_data', 'video_data'] as const

const ALLOWED = {
  chat: [...SAMPLING, ...CHAT],
  completions: [...SAMPLING, 'prompt', 'suffix', 'best_of'],
  responses: [
    'model',
    'input',
    'instructions',
    'stream',
    'max_output_tokens',
    'max_tool_calls',
    'temperature',
    'top_p',
    'top_k',
    'top_logprobs',
    'seed',
    'tools',
    'tool_choice',
    'parallel_tool_calls',
    'reasoning',
    'text',
    'truncation',
    'include',
    'store',
    'background'
  ],
  messages: [...ANTHROPIC, 'max_tokens', 'stop_sequences', 'stream', 'temperature', 'top_k', 'top_p'],
  count_tokens: ANTHROPIC,
  embeddings: VECTOR,
  classify: VECTOR,
  pooling: VECTOR,
  embed: [
    'model',
    'texts',
    'images',
    'inputs',
    'input_type',
    'embedding_types',
    'output_dimension',
    'truncate',
    'max_tokens'
  ],
  rerank: [
    'model',
    'query',
    'documents',
    'top_n',
    'return_documents',
    'max_tokens_per_doc',
    'truncate_prompt_tokens',
    'activation',
    'use_activation'
  ],
  score: [
    'model',
    'text_1',
    'text_2',
    'data_1',
    'data_2',
    'query',
    'queries',
    'documents',
    'items',
    'label_token_ids',
    'apply_softmax',
    'item_first',
    'truncate_prompt_tokens',
    'activation',
    'use_activation'
  ],
  tokenize: [
    'model',
    'prompt',
    'messages',
    'tools',
    'input',
    'add_special_tokens',
    'add_generation_prompt',
    'continue_final_message',
    'return_token_strs',
    'chat_template_kwargs',
    'do_preprocess',
    'add_bos'
  ],
  detokenize: ['model', 'tokens', 'skip_special_tokens'],
  generate: [...SAMPLING, ...TEXTS, 'sampling_params', 'return_logprob', 'top_logprobs_num', 'logprob_start_len']
} as const satisfies Record<string, readonly string[]>

const SETS = new Map(Object.entries(ALLOWED).map(([operation, names]) => [operation, new Set<string>(names)]))

/** The members that an operation may have, or null where the gate does not know the operation: it passes as it is. */
export function allowedFields(operation: string): ReadonlySet<string> | null {
  return SETS.get(operation) ?? null
}

/** The fields of a form with sound. */
export const FORM_FIELDS: ReadonlySet<string> = new Set([
  'model',
  'language',
  'prompt',
  'response_format',
  'temperature',
  'top_p',
  'seed',
  'stream',
  'stream_include_usage',
  'stream_continuous_usage_stats',
  'to_language',
  'max_completion_tokens',
  'chunking_strategy',
  'include[]',
  'timestamp_granularities[]'
])

/** Members that are refused by name, because to leave them out would change what was asked for. */
export const REFUSED: ReadonlySet<string> = new Set([
  'prompt_logprobs',
  'use_beam_search',
  'num_beams',
  'custom_logit_processor',
  'custom_params',
  'logits_processors',
  'prompt_embeds',
  'input_embeds',
  'image_embeds',
  'audio_embeds',
  'video_embeds',
  'positional_embed_overrides',
  'features',
  'media_io_kwargs',
  'mm_processor_kwargs',
  'images_config',
  'max_dynamic_patch',
  'guided_regex',
  'guided_grammar',
  'guided_whitespace_pattern',
  'structured_outputs_regex',
  'regex',
  'ebnf',
  'json_schema',
  'structural_tag',
  'stop_regex',
  'previous_response_id',
  'previous_input_messages',
  'conversation'
])

/** Members by which a caller would reach other callers, other machines or the engine's own files: no configuration lets them through. */
export const NEVER: ReadonlySet<string> = new Set([
  ...REFUSED,
  'cache_salt',
  'extra_key',
  'lora_path',
  'lora_id',
  'request_id',
  'rid',
  'session_id',
  'session_params',
  'priority',
  'service_tier',
  'data_parallel_rank',
  'routed_dp_rank',
  'disagg_prefill_dp_rank',
  'bootstrap_host',
  'bootstrap_port',
  'bootstrap_room',
  'bootstrap_pair_key',
  'kv_transfer_params',
  'ec_transfer_params',
  'migration_request',
  'with_cache',
  'preserve_cache',
  'http_worker_ipc',
  'encoder_urls',
  'mm_data_mooncake',
  'mm_hashes',
  'decode_tp_size',
  'chat_template',
  'vllm_xargs',
  'log_metrics',
  'no_logs',
  'custom_labels'
])

/** What a chat template may be told. A template of the caller's own runs in the engine. */
export const TEMPLATE_KWARGS: ReadonlySet<string> = new Set([
  'enable_thinking',
  'thinking',
  'thinking_budget',
  'thinking_mode',
  'reasoning_effort',
  'add_vision_id',
  'preserve_thinking',
  'clear_thinking'
])
