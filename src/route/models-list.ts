import type { Sec } from '../time.ts'

/** The answer to `GET /v1/models`, in the shape of the OpenAI API. */
export interface ModelList {
  readonly object: 'list'
  readonly data: readonly {
    readonly id: string
    readonly object: 'model'
    readonly created: Sec
    readonly owned_by: string
  }[]
}

/** Lists models by name alone: no path, no parent, nothing that an engine would tell of its disk. */
export function modelList(names: readonly string[], nowSec: Sec): ModelList {
  return {
    object: 'list',
    data: names.map(id => ({ id, object: 'model', created: nowSec, owned_by: 'tollgate' }))
  }
}
