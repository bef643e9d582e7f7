import type { Finding, Path } from './faults.ts'
import { error, type Loose, listOf, mapOf, warning } from './loose.ts'

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
