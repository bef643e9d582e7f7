import type { Routes } from './fixtures.ts'

/** What a path leads to in an engine. */
export type Place =
  | { readonly is: 'serves'; readonly operation: string }
  | { readonly is: 'tells' }
  | { readonly is: 'harms' }

/** What Starlette finds for a method and a decoded path: a place, another method's, another spelling of the path, or nothing. */
export type Match =
  | Place
  | { readonly is: 'method'; readonly allow: string }
  | { readonly is: 'redirect'; readonly path: string }
  | { readonly is: 'nothing' }

/** Routes as Starlette does: by the decoded path, with `redirect_slashes`. */
export function createRouter(routes: Routes): (method: string, path: string) => Match {
  const places: { method: string; pattern: RegExp; place: Place }[] = []
  const add = (route: string, place: Place) => {
    const [method = '', path = ''] = route.split(' ')
    const pattern = path
      .replace(/[.]/g, '\\.')
      .replace(/\{\w+\}/g, '[^/]+')
      .replace(/\*$/, '.*')
    places.push({ method, pattern: new RegExp(`^${pattern}$`), place })
  }
  for (const [operation, list] of Object.entries(routes.serves)) {
    for (const route of list) add(route, { is: 'serves', operation })
  }
  for (const route of routes.tells) add(route, { is: 'tells' })
  for (const route of routes.harms) add(route, { is: 'harms' })
  const at = (path: string) => places.filter(({ pattern }) => pattern.test(path))

  return (method, path) => {
    const here = at(path)
    const found = here.find(place => place.method === method)
    if (found !== undefined) return found.place
    if (here.length > 0) return { is: 'method', allow: here.map(place => place.method).join(', ') }
    const other = path.endsWith('/') ? path.replace(/\/+$/, '') : `${path}/`
    return path !== '/' && at(other).length > 0 ? { is: 'redirect', path: other } : { is: 'nothing' }
  }
}
