import type { Finding, Path } from './faults.ts'
import { error, type Loose, listOf, mapOf, warning } from './loose.ts'

/** What a proxy passes on comes from the proxy's address: without a token nobody could tell who asks. */
export function checkAdmin({ token, allow_forwarded }: Loose): Finding[] {
  if (allow_forwarded !== true || token !== undefined) return []
  const message = 'admin.allow_forwarded needs admin.token: a proxy of this machine would make everybody an operator'
  return [error('E369', ['admin', 'allow_forwarded'], message, 'set admin.token, or leave allow_forwarded out')]
}

/** An origin that no browser ever writes like that would open nothing, and nobody would know why. */
export function checkOrigins(root: Loose): Finding[] {
  const at: Path = ['server', 'cors', 'origins']
  const origins = listOf(mapOf(mapOf(root.server).cors).origins)
  return origins.flatMap((origin, index) => {
    if (origin === '*') {
      const path = [...at, index]
      if (origins.length > 1) return [error('E331', path, '"*" is every origin; the others say nothing beside it')]
      return [warning('W414', path, 'any page may call with a token that it has; name the origins of your own')]
    }
    if (typeof origin !== 'string' || !/^https?:/.test(origin)) return []
    const written = URL.canParse(origin) ? new URL(origin).origin : null
    if (written === origin) return []
    const hint = written === null ? undefined : `browsers write it ${written}`
    return [error('E330', [...at, index], 'this is no origin as browsers write it', hint)]
  })
}

/** Kinds that are about a subject or a token: their ban is one of the address alone, and of all who share it. */
const NOT_OF_ADDRESSES = [
  'token_sharing',
  'model_probing',
  'rate_anomaly',
  'abort_abuse',
  'oversize',
  'long_lived_token'
]

export function checkSuspicious(root: Loose): Finding[] {
  const suspicious = mapOf(root.suspicious)
  return NOT_OF_ADDRESSES.flatMap(kind => {
    const of = suspicious[kind]
    const isBan = of === 'ban' || mapOf(of).action === 'ban'
    if (!isBan) return []
    const words =
      'bans the address of the call and everybody behind it; "throttle" refuses the subject or the token alone'
    return [warning('W415', ['suspicious', kind], words)]
  })
}
