-- The devices of a class in the order of their ids, without sorting the class or looking at other devices.

CREATE INDEX device_of_class ON device (tenant_id, vendor_id, class_id, device_id) INCLUDE (lifecycle);
DROP INDEX device_class;
