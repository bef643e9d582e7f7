import type { Sec } from '../time.ts'

/** One model, in the shape of the OpenAI API. */
export interface ModelCard {
  readonly id: string
  readonly object: 'model'
  readonly created: Sec
  readonly owned_by: string
}

/** The answer to `GET /v1/models`, in the shape of the OpenAI API. */
export interface ModelList {
  readonly object: 'list'
  readonly data: readonly ModelCard[]
}

/** A model by its name alone: no path, no parent, nothing that an engine would tell of its disk. */
export function modelCard(id: string, nowSec: Sec): ModelCard {
  return { id, object: 'model', created: nowSec, owned_by: 'tollgate' }
}

/** Lists models by name alone. */
export function modelList(names: readonly string[], nowSec: Sec): ModelList {
  return { object: 'list', data: names.map(id => modelCard(id, nowSec)) }
}
