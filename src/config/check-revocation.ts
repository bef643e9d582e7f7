import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Finding, nameShown } from './faults.ts'
import { error, type Loose, mapOf, warning } from './loose.ts'

/** The file of revocations is there; what operators revoke outlives a restart somewhere. */
export function checkRevocation(root: Loose, file: string): Finding[] {
  if (root.revocation === undefined) return []
  const { file: named, keep } = mapOf(root.revocation)
  const findings: Finding[] = []
  if (typeof named === 'string' && !existsSync(resolve(dirname(file), named))) {
    const hint = '"revocations: []" in it revokes nothing'
    findings.push(error('E340', ['revocation', 'file'], `the file ${nameShown(named)} does not exist`, hint))
  }
  if (keep === undefined && root.store === undefined) {
    const what = 'what tollgate revoke has taken back is forgotten at a restart: name revocation.keep'
    findings.push({ ...warning('W416', ['revocation'], what), at: 'key' })
  }
  return findings
}
