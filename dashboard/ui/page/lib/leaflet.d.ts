// Leaflet by its modules: the map needs a third of it. The types are those of the whole.
declare module 'leaflet/src/map/index.js' {
  export { map, Map } from 'leaflet';
}
declare module 'leaflet/src/geo/index.js' {
  export { latLng } from 'leaflet';
}
declare module 'leaflet/src/layer/Layer.js' {}
