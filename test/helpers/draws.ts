import type { Draw } from '../../src/limit/quota-store.ts'

type More = Partial<Pick<Draw, 'resource' | 'isShadow' | 'isShared' | 'windowMs'>>

/** A bucket that fills by itself in a minute. */
export function rate(key: string, amount: number, more: More = {}): Draw {
  return {
    key,
    kind: 'rate',
    resource: 'tokens',
    amount,
    windowMs: 60_000,
    endsAtMs: 0,
    isShadow: false,
    isShared: false,
    ...more
  }
}

/** A bucket of tokens that is full again when its period ends. */
export function budget(key: string, amount: number, endsAtMs: number, more: More = {}): Draw {
  return {
    key,
    kind: 'budget',
    resource: 'tokens',
    amount,
    windowMs: 0,
    endsAtMs,
    isShadow: false,
    isShared: false,
    ...more
  }
}

/** So many calls at once. */
export function lease(key: string, amount: number, more: More = {}): Draw {
  return {
    key,
    kind: 'lease',
    resource: 'concurrent',
    amount,
    windowMs: 0,
    endsAtMs: 0,
    isShadow: false,
    isShared: false,
    ...more
  }
}
