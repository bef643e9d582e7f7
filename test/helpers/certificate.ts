import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { makeFolder } from './folder.ts'

/** A certificate that vouches for itself: PEM texts, and the files that hold them. */
export interface Certificate {
  readonly cert: string
  readonly key: string
  readonly certFile: string
  readonly keyFile: string
}

/** Makes one with openssl; its files go with the test. @param name another one than that of 127.0.0.1 */
export function makeCertificate(t: Test, name = 'IP:127.0.0.1'): Certificate {
  const dir = makeFolder(t)
  const [keyFile, certFile] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
  const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=127.0.0.1'.split(
    ' '
  )
  args.push('-addext', `subjectAltName=${name}`, '-keyout', keyFile, '-out', certFile)
  execFileSync('openssl', args, { stdio: 'ignore' })
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile }
}
