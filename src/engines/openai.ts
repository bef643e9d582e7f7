import type { EngineTable } from './operations.ts'

/** Any OpenAI-compatible server or router: what the API's users call, and nothing that one product adds to it. */
export const OPENAI: EngineTable = {
  serves: {
    chat: ['POST /v1/chat/completions'],
    completions: ['POST /v1/completions'],
    responses: ['POST /v1/responses'],
    messages: ['POST /v1/messages'],
    count_tokens: ['POST /v1/messages/count_tokens'],
    embeddings: ['POST /v1/embeddings'],
    rerank: ['POST /v1/rerank'],
    score: ['POST /v1/score'],
    transcription: ['POST /v1/audio/transcriptions'],
    translation: ['POST /v1/audio/translations']
  },
  gate: ['GET /v1/models', 'GET /v1/models/{id}', 'GET /health', 'GET /ping', 'GET /metrics*'],
  closed: [
    { what: 'pictures from text', routes: ['POST /v1/images/generations'] },
    { what: 'speech from text', routes: ['POST /v1/audio/speech'] },
    { what: 'moderation', routes: ['POST /v1/moderations'] },
    { what: 'training jobs', routes: ['POST /v1/fine_tuning/jobs', 'GET /v1/fine_tuning/jobs'] },
    { what: 'realtime speech', routes: ['GET /v1/realtime'], operation: 'realtime' }
  ],
  never: {
    'a store of answers without owners': ['GET /v1/responses/{id}', 'POST /v1/responses/{id}/cancel'],
    'an administration route of a router': [
      'POST /sleep',
      'POST /wake_up',
      'GET /is_sleeping',
      'GET /engines',
      'GET /workers',
      'POST /workers',
      'GET /wasm',
      'POST /wasm',
      'GET /nodes*',
      'POST /nodes*'
    ]
  },
  key: null,
  // Which program it is, and whether one of its handlers takes every method, nobody can know.
  signs: { ownedBy: null, version: null, keepsToMethods: false }
}
