// Leaflet by its modules: the map needs half of it. The types are those of the whole.
declare module 'leaflet/src/map/index.js' {
  export { map } from 'leaflet';
}
declare module 'leaflet/src/geo/index.js' {
  export { latLng, latLngBounds } from 'leaflet';
}
declare module 'leaflet/src/geometry/index.js' {
  export { point } from 'leaflet';
}
declare module 'leaflet/src/layer/tile/TileLayer.js' {
  export { tileLayer } from 'leaflet';
}
