import { isDeepStrictEqual } from 'node:util'
import { Turns } from '../turns.ts'
import { createKeySet, type KeySet, type KeySetDeps } from './keys.ts'
import type { AuthenticateOptions, IssuerOptions } from './options.ts'
import { createVerifier, type Verifier, type VerifierDeps } from './verifier.ts'

/** So many key sets load at once. */
const MAX_FETCHES = 4

/** The issuers that are believed, followed through changes of the configuration. */
export interface Authenticator {
  /**
   * Follows a configuration. An issuer that did not change keeps its keys, loaded as they are; when nothing changed at all,
   * tokens that are remembered stay so. When something did, all are forgotten: the rules that they passed are gone.
   */
  follow(options: AuthenticateOptions): Verifier
  /** Begins to load keys, those of issuers that come later too. */
  start(): void
  /** In the order of the configuration that was followed last. */
  readonly keySets: readonly KeySet[]
  close(): void
}

/** Makes one that believes nobody yet. */
export function createAuthenticator(
  deps: KeySetDeps &
    Pick<VerifierDeps, 'isOverloaded' | 'onVerified' | 'revokedBy'> & {
      /** The gate's own issuer, whatever the configuration names; null without. */
      readonly own?: { readonly options: IssuerOptions; readonly keySet: KeySet } | null
    }
): Authenticator {
  const fetches = new Turns({ atOnce: MAX_FETCHES, waiting: 1_024 })
  let isStarted = false
  let followed: { readonly options: AuthenticateOptions; readonly verifier: Verifier } | null = null
  const own = deps.own ?? null
  let known: readonly { readonly options: IssuerOptions; readonly keySet: KeySet }[] = []

  return {
    get keySets() {
      return [...known, ...(own === null ? [] : [own])].map(({ keySet }) => keySet)
    },
    follow(options) {
      if (followed !== null && isDeepStrictEqual(followed.options, options)) return followed.verifier
      const before = known
      known = options.issuers.map(
        issuer =>
          before.find(one => isDeepStrictEqual(one.options, issuer)) ?? {
            options: issuer,
            keySet: createKeySet(issuer, deps, fetches)
          }
      )
      for (const one of before) if (!known.includes(one)) one.keySet.close()
      if (isStarted) for (const one of known) if (!before.includes(one)) one.keySet.start()
      // The own one last: a configuration that names its issuer otherwise is followed after a restart.
      const believed = own === null ? known : [...known, own]
      const keySets = new Map(believed.map(one => [one.options.issuer, one.keySet]))
      const issuers = believed.map(one => one.options)
      const verifier = createVerifier({ ...options, issuers }, { ...deps, keySets })
      followed = { options, verifier }
      return verifier
    },
    start() {
      isStarted = true
      for (const { keySet } of known) keySet.start()
    },
    close() {
      for (const { keySet } of known) keySet.close()
    }
  }
}
